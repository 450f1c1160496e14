"""What tables promise: one pandera model per table that is stored or passed on, and the shape of blocks."""
