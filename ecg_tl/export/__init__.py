"""From a checkpoint to a file that runs without this project: ONNX, or a program of torch.export."""
