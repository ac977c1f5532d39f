"""One module per command of the command line; `__main__` parses the arguments and calls them."""
