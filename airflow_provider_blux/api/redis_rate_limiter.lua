-- One pace for every task that names the same Redis. Times are microseconds of Redis's own clock, so that the clocks of
-- the workers do not matter.
--
-- KEYS[1]  hash: next (when the next start may be reserved), paused_until (no reservation before it holds), and what
--          refusals have taught: headroom, headroom_at, refused_at, speed, speed_at, slowed_at
-- KEYS[2]  sorted set: when the requests of the last second left, by the name of each
-- ARGV[1]  what is asked: turn, left, pause, refused or slow_down
-- ARGV[2]  its arguments, and the constants of the pace (seconds), as JSON

local state, starts = KEYS[1], KEYS[2]
local given = cjson.decode(ARGV[2])
local SECOND = 1000000
local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]

local function whole(number)
  return string.format('%.0f', number)
end

local function get(name, otherwise)
  return tonumber(redis.call('HGET', state, name) or otherwise)
end

local function seconds_since(name)
  return (now - get(name, 0)) / SECOND
end

local function headroom()
  local forgotten = seconds_since('headroom_at') * given.more_headroom / given.forget_seconds
  return math.max(given.headroom, get('headroom', 0) - forgotten)
end

local function speed()
  return math.min(1, get('speed', 1) + seconds_since('speed_at') * given.recovery)
end

local function keep(seconds)
  local milliseconds = whole((seconds + given.keep_seconds) * 1000)
  redis.call('PEXPIRE', state, milliseconds)
  redis.call('PEXPIRE', starts, milliseconds)
end

local function hold(seconds)
  local ends = math.max(get('paused_until', 0), now + seconds * SECOND)
  redis.call('HSET', state, 'paused_until', whole(ends), 'next', whole(math.max(get('next', 0), ends)))
end

-- A start that nobody else has, a distance after the one before it.
local function reserve()
  local due = get('next', 0)
  if now - due > given.slack * SECOND then
    due = now
  end
  redis.call('HSET', state, 'next', whole(due + (1 + headroom()) / (given.rate * speed()) * SECOND))
  return due
end

-- Whether starts are so rare that one that leaves late matters.
local is_counted = given.limit <= given.counted

-- When a start no longer is one too many in a second.
local function window_ends()
  redis.call('ZREMRANGEBYSCORE', starts, '-inf', whole(now - 2 * SECOND))
  redis.call('ZREMRANGEBYSCORE', starts, whole(now + SECOND), '+inf') -- of a clock that was set back
  local oldest = redis.call('ZREVRANGE', starts, given.limit - 1, given.limit - 1, 'WITHSCORES')
  return oldest[2] and oldest[2] + (1 + given.counted_headroom * headroom()) * SECOND or 0
end

local function note_start()
  if is_counted then
    redis.call('ZADD', starts, whole(now), given.name)
  end
end

local asked = {}

-- Returns the microseconds still to wait (0: the start is granted), and the reservation to come back with.
function asked.turn()
  if redis.call('HEXISTS', state, 'paused_until') == 0 then
    -- Where Redis has forgotten what started within the last second, nothing may start within the next.
    hold(given.has_started and 1 or 0)
  end
  if given.held > 0 then
    hold(given.held)
  end
  local due = tonumber(given.due)
  if due < get('paused_until', 0) then
    due = reserve()
  end
  local allowed_at = math.max(due, is_counted and window_ends() or 0)
  if allowed_at <= now then
    note_start()
  end
  return {whole(math.max(0, allowed_at - now)), whole(due)}
end

function asked.left()
  note_start()
end

function asked.pause()
  hold(given.seconds)
end

function asked.refused()
  if seconds_since('refused_at') >= given.episode then
    local more = math.min(given.most_headroom, headroom() + given.more_headroom)
    redis.call('HSET', state, 'headroom', more, 'headroom_at', whole(now), 'refused_at', whole(now))
  end
end

function asked.slow_down()
  if seconds_since('slowed_at') >= given.episode then
    local slower = math.max(given.slowest, speed() * given.slow_down)
    redis.call('HSET', state, 'speed', slower, 'speed_at', whole(now), 'slowed_at', whole(now))
  end
end

local answer = asked[ARGV[1]]()
keep(given.seconds or 0)
return answer
