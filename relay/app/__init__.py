"""The composition root (`service`) and the commands of the command line. Nothing else constructs or sees the config."""
