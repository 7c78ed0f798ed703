"""What a checkpoint was trained on, and whether that is what it is about to be fine-tuned or tested on."""
