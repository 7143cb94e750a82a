"""The functions of rushlight.nn.functional, by topic; that module is their public place."""
