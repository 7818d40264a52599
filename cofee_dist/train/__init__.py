"""The loop, the engines, the stages, checkpoints, the Ray worker."""
