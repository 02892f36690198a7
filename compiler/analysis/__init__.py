"""Facts read from the IR by several passes; nothing here changes a program."""
