"""One question asked of a folder of records: fine-tune, or train from scratch?"""
