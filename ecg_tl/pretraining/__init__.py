"""Upstreams from records without labels: JEPA, CPC and SimCLR, and what feeds and watches them."""
