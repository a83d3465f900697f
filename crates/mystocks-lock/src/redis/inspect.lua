-- KEYS: spot, fence, waiters. Answers what is seen of it.
return seen(KEYS[1], KEYS[2], KEYS[3])
