-- KEYS: spot, queue, waiters, fence, strangers. ARGV: token, channel without the node, what there is of it; who leaves the queue, if anybody does.
-- Answers how it stood: 0 nobody's, 1 held by this token, 2 held by another.
local stood = remove(KEYS[1], ARGV[1])
if ARGV[4] then depart(KEYS[2], KEYS[3], ARGV[4]) end
if stood == 1 or ARGV[4] then hand(KEYS[1], KEYS[4], KEYS[2], KEYS[3], KEYS[5], ARGV[2], ARGV[3]) end
return stood
