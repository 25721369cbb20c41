"""`python -m dafeng` is the command line."""

from dafeng.cli import main

if __name__ == "__main__":
    main()
