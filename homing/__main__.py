"""`python -m homing`: the same as the command `homing`."""

from homing.cli import main

if __name__ == "__main__":
    main()
