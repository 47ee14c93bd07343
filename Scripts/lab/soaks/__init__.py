"""What `Scripts/soak` runs: each module puts one subject under load or change for a long time."""
