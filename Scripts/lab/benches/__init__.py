"""What `Scripts/bench` runs: each module measures one subject."""
