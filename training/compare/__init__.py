"""Two versions of one registered model side by side: judged anew, and told to people."""
