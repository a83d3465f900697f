-- KEYS: clock. ARGV: channel, head of the message, last stamp seen, tail of the message. Answers the stamp.
local stamp = draw(KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2] .. stamp .. ARGV[4])
return stamp
