"""Models: what is learned of past bars, judged on later ones, and said about the newest."""
