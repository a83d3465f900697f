-- Hands what is free to those at the head of the queue for whom there is enough, for as long as their places are kept, and tells
-- their processes. Whose process no longer listens is passed over: it loses its turn, and its place until it asks for it again.
local function hand(spot, fence, queue, waiters, strangers, channel, of)
  if not purge(queue, waiters) or strangers and is_theirs(strangers) then return end
  local free = room(spot, of)
  while free > 0 do
    local member = redis.call('ZRANGE', queue, 0, 0)[1]
    if not member or part(member) > free then return end
    local node, holder = string.match(member, '^[^:]*'), holder_in(member)
    local rest = (tonumber(redis.call('ZSCORE', waiters, member)) or 0) - math.floor(clock() / 1000)
    depart(queue, waiters, member)
    if rest > 0 then
      -- Nobody knows yet what it calls itself.
      local drawn = grant(fence, holder, 0, node .. ' {}', rest)
      if redis.pcall('PUBLISH', channel .. node, holder .. '=' .. drawn) ~= 0 then
        take(spot, holder, rest, of)
        free = free - part(member)
      end
    end
  end
end

