"""What `relay demo` puts on: the `stage`, the play (`traffic`), what has happened (`board`) and how it looks."""
