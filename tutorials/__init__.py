"""The course: lessons that are read, run and checked. README.md is the map."""
