"""Compare the two reward models, reach a verdict, and write it down as JSON and as one page."""
