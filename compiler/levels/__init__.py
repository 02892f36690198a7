"""What each level may contain, as data, and the check that a program keeps to it."""
