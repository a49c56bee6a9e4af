"""What a selection of rows is held to besides its plan."""
