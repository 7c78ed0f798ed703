"""What stands behind each word of the command line. `ecg_tl.cli` imports a module here when asked."""
