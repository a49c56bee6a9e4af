"""What a run would do, starting and stopping one, and how far the one is that goes on."""
