"""When each table is made and from what. Every decision stands in `pipeline`; an asset reads, asks, writes, reports."""
