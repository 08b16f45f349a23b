"""What a person or a program reads after a run; every format is made from the Report alone."""
