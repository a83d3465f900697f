-- KEYS: the sessions of a user. ARGV: milliseconds, entries. Removes the entries that are older than that, and all that are not ours: what is
-- not there by then is not created any more.
local at = clock()
for n = 2, #ARGV do
  local created = tonumber(string.match(ARGV[n], '^%x+:(%d+)$'))
  if not created or at - created >= tonumber(ARGV[1]) then redis.call('ZREM', KEYS[1], ARGV[n]) end
end
return 1
