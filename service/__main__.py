"""`python -m service` is the `conversations` command."""

from service.entry import main

if __name__ == "__main__":  # the processes of `load --workers` import this module too
    main()
