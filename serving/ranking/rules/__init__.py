"""Rules of a slate as a whole: one small pure function a file, all of one signature.

A rule looks at what was chosen so far and says which of the candidates may take the next place. One
that would leave none yields: no rule makes a slate shorter. `serving.ranking.shaping` asks them.
`rotation` comes before all of them: it says in which order they find the candidates.
"""
