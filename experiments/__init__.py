"""Scripts: flags to configuration to library to results."""
