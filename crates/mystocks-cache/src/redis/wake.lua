-- Wakes who waits for the lease of the key with this digest: the queue holds the channel of each process that does.
local function wake(queue, digest)
  local waiting = redis.pcall('SMEMBERS', queue)
  if #waiting == 0 then return end
  for _, channel in ipairs(waiting) do
    redis.call('PUBLISH', channel, digest)
  end
  redis.call('UNLINK', queue)
end
