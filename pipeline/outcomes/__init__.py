"""What following an advice would have brought; the page is docs/outcomes.md."""
