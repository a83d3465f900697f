-- Answers who acquires in vain and who does not; the arguments are those of acquire.lua.
local spot, fence, queue, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, ttl, waiter = ARGV[1], ARGV[2], ARGV[10] or ''

local function granted()
  local drawn = ARGV[3] ~= '' and grant(fence, token, tonumber(ARGV[3]), ARGV[4], ttl) or '0'
  -- Writing a key ends its watching, for the writer too; only reading begins it.
  if ARGV[5] == '1' then redis.call('EXISTS', spot) end
  return {1, drawn, 0, 0, '0'}
end

