"""The command line, one file per command. Heavy libraries are imported only after arguments are parsed."""
