"""The scalesim 3.0.0 package beside our models of it: exact replay and closed form."""
