-- After group.lua. ARGV from 3 on: how many. Answers what XREADGROUP does; nothing when the consumer was taken away: a request that comes
-- late takes nothing past the next owner.
if not redis.call('ZSCORE', leases, me) then return false end
return redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', ARGV[3], 'STREAMS', stream, '>')
