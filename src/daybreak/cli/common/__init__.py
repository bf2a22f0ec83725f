"""What several commands share: options, completion, what is printed, how a change is followed."""
