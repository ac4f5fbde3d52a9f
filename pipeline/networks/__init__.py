"""Network families: what a sweep trains and harvests."""
