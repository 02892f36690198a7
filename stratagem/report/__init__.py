"""Pages and traces of compiled programs and sweeps: one file each, which opens anywhere and loads nothing."""
