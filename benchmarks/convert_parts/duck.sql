-- The job of unspoken.signals.episodes and of the pairs of siblings and votes, as one would write it for DuckDB.
-- Easier than ours in two ways: ids are taken to be unique, and a message's events to be of its conversation.

CREATE TEMP VIEW every AS SELECT * RENAME ("at" AS moment) FROM read_parquet('{events}');
CREATE TEMP VIEW messages AS SELECT * RENAME ("at" AS moment) FROM read_parquet('{messages}');

-- Inferred closes that a sign of the same person withdraws.
CREATE TEMP TABLE withdrawn AS
WITH closes AS (SELECT * FROM every WHERE kind = 'close' AND cause = 'inferred'),
     hides AS (SELECT DISTINCT conversation, moment FROM every WHERE kind = 'hide'),
     asked AS (SELECT c.*, h.moment IS NOT NULL AS hid FROM closes c LEFT JOIN hides h USING (conversation, moment)),
     signs AS (
        SELECT conversation, moment, "user", kind NOT IN ('expose', 'heartbeat', 'view', 'hide') AS act FROM every
        WHERE (kind IN ('vote', 'rating', 'choice', 'regenerate', 'stop', 'return', 'pause', 'copy', 'select', 'edit',
                        'share', 'close', 'expose', 'heartbeat', 'view', 'hide') AND cause IS DISTINCT FROM 'inferred')
           OR (kind = 'message' AND role = 'user'))
SELECT DISTINCT c.event FROM asked c JOIN signs s ON s.conversation = c.conversation
WHERE s.moment > c.moment AND s.moment <= c.moment + to_milliseconds(coalesce(c.silent_ms, 0)) AND (s.act OR NOT c.hid)
  AND coalesce(s."user" = c."user", true);

-- The tree, level by level; and every message with everything above it.
CREATE TEMP TABLE tree AS
WITH RECURSIVE placed AS (
    SELECT message, message AS root, role AS root_role, digest AS root_key, md5(digest) AS key,
           (role = 'assistant')::BIGINT AS answers
    FROM messages m WHERE NOT EXISTS (FROM messages p WHERE p.message = m.parent)
    UNION ALL
    SELECT m.message, p.root, p.root_role, p.root_key, md5(concat(p.key, '/', m.digest)),
           p.answers + (m.role = 'assistant')::BIGINT
    FROM placed p JOIN messages m ON m.parent = p.message)
FROM placed;
CREATE TEMP TABLE below AS
WITH RECURSIVE above AS (
    SELECT message, parent AS ancestor FROM messages WHERE parent IS NOT NULL
    UNION ALL
    SELECT a.message, m.parent FROM above a JOIN messages m ON m.message = a.ancestor WHERE m.parent IS NOT NULL)
SELECT ancestor AS message, count(*) AS later FROM above GROUP BY 1;

CREATE TEMP TABLE told AS
SELECT message, arg_min(struct_pack(event, duration_ms, ttft_ms, arm, topic, device), (moment, event)) AS said
FROM every WHERE kind = 'message' GROUP BY message;

CREATE TEMP TABLE wrote AS
SELECT m.message, m.parent, m."user", m.moment, t.said.event AS event
FROM messages m LEFT JOIN told t USING (message) WHERE m.role = 'user' AND m.parent IS NOT NULL;

CREATE TEMP TABLE answers AS
WITH next AS (SELECT parent AS message, max(moment) AS next_at FROM wrote GROUP BY 1),
rows AS (
    SELECT a.message, a.conversation, p."user", a."user" AS author, p.message AS prompt, t.root, k.key AS prompt_key,
           t.root_role, t.root_key, t.answers - 1 AS turn, a.moment, epoch_us(a.moment) / 1e6 - epoch_us(p.moment) / 1e6 AS latency_s,
           a.chars, a.finish, coalesce(q.said.topic, o.said.topic) AS topic, q.said.device AS wrote_device,
           o.said.arm AS arm, o.said.duration_ms AS duration_ms,
           a.moment + to_milliseconds(greatest(coalesce(o.said.duration_ms - coalesce(o.said.ttft_ms, 0), 0), 0)) AS completed,
           n.next_at, coalesce(b.later, 0) AS later_turns, coalesce(p.message, a.message) AS chain
    FROM messages a JOIN tree t USING (message)
    LEFT JOIN messages p ON p.message = a.parent LEFT JOIN tree k ON k.message = a.parent
    LEFT JOIN told o ON o.message = a.message LEFT JOIN told q ON q.message = a.parent
    LEFT JOIN next n ON n.message = a.message LEFT JOIN below b ON b.message = a.message
    WHERE a.role = 'assistant')
SELECT *, count(*) OVER chains AS siblings, row_number() OVER (chains ORDER BY moment, message) - 1 AS sibling_rank,
       max(next_at) OVER chains AS latest
FROM rows WINDOW chains AS (PARTITION BY chain);

CREATE TEMP TABLE acts AS
SELECT message,
    any_value(true) FILTER (revealed) AS exposed,
    arg_min("user", (moment, event)) FILTER (revealed AND "user" IS NOT NULL) AS acted,
    arg_min(device, (moment, event)) FILTER (revealed AND device IS NOT NULL) AS device,
    arg_min(arm, (moment, event)) FILTER (revealed AND arm IS NOT NULL) AS arm,
    sum(visible_ms) FILTER (kind = 'view')::BIGINT AS visible_ms, sum(active_ms) FILTER (kind = 'view')::BIGINT AS active_ms,
    sum(idle_ms) FILTER (kind = 'view')::BIGINT AS idle_ms, sum(hidden_ms) FILTER (kind = 'view')::BIGINT AS hidden_ms,
    max(seen_chars) FILTER (revealed) AS seen_chars, max(total_chars) FILTER (revealed) AS total_chars,
    bool_or(kind = 'stop') AS stopped,
    arg_max(phase, (moment, event)) FILTER (kind = 'close') AS closed,
    arg_max(cause, (moment, event)) FILTER (kind = 'close') AS close_cause,
    bool_or(kind = 'close' AND cause IS DISTINCT FROM 'inferred') AS told,
    bool_or(kind = 'disconnect') AS cut_off,
    bool_or(kind = 'regenerate') AS regenerated,
    arg_min(phase, (moment, event)) FILTER (kind = 'regenerate') AS regenerate_phase,
    max(coalesce(chars, 9007199254740991)) FILTER (kind = 'copy') AS copied,
    max(coalesce(chars, 9007199254740991)) FILTER (kind = 'copy' AND part = 'code') AS copied_code,
    max(coalesce(chars, 9007199254740991)) FILTER (kind = 'copy' AND part IS DISTINCT FROM 'code') AS copied_prose,
    bool_or(kind = 'share') AS shared, bool_or(kind = 'select') AS selected,
    max(ms) FILTER (kind = 'pause' AND phase = 'reading') AS longest_pause_ms,
    list(event ORDER BY moment, event) FILTER (revealed) AS evidence,
    arg_max(value, (moment, event)) FILTER (kind = 'vote')::BIGINT AS vote,
    list(event ORDER BY moment, event) FILTER (kind = 'vote') AS voted,
    arg_min(level, (moment, event)) FILTER (kind = 'solicit') AS solicit_level,
    bool_or(shown) FILTER (kind = 'solicit') AS solicit_shown,
    bool_or(answered) FILTER (kind = 'solicit') AS solicit_answered,
    arg_min(propensity, (moment, event)) FILTER (kind = 'solicit') AS solicit_propensity
FROM (SELECT *, kind IN ('expose', 'heartbeat', 'view', 'regenerate', 'stop', 'close', 'hide', 'return', 'pause', 'copy',
                         'select', 'edit', 'share') AS revealed
      FROM every WHERE message IS NOT NULL AND kind <> 'message' AND event NOT IN (FROM withdrawn))
GROUP BY message;

CREATE TEMP TABLE rated AS
WITH given AS (
    SELECT * FROM every WHERE kind = 'rating' AND highest > lowest
    QUALIFY row_number() OVER (PARTITION BY coalesce(message, conversation), "user", scale ORDER BY moment DESC, event DESC) = 1)
SELECT coalesce(message, conversation) AS what, message IS NOT NULL AS direct,
       greatest(0, least(1, avg((value - lowest) / (highest - lowest)))) AS rating, min(value) AS rating_lowest,
       max(value) AS rating_highest, list(event ORDER BY moment, event) AS rated
FROM given GROUP BY ALL;

CREATE TEMP TABLE edits AS
WITH beside AS (
    SELECT message, lead(moment) OVER next AS moment, lead(event) OVER next AS event FROM wrote
    WHERE parent IN (SELECT message FROM messages)
    WINDOW next AS (PARTITION BY parent, "user" ORDER BY moment, message))
SELECT message AS prompt, min(moment) AS edited_at, list(event ORDER BY moment, event) AS edited_by
FROM (SELECT message, moment, event FROM every WHERE kind = 'edit' AND message IS NOT NULL
      UNION ALL SELECT message, moment, event FROM beside WHERE moment IS NOT NULL)
GROUP BY 1;

CREATE TEMP TABLE replies AS
SELECT parent AS message, arg_min(message, (moment, message)) AS reply, min(moment) AS reply_at,
       list(event ORDER BY moment, message) AS continued_by
FROM wrote GROUP BY 1;

CREATE TEMP TABLE nexts AS
WITH done AS (
    SELECT message, moment, kind FROM every
    WHERE kind IN ('regenerate', 'close', 'copy', 'select', 'share') AND event NOT IN (FROM withdrawn)
    UNION ALL SELECT previous, moment, kind FROM every WHERE kind = 'select' AND previous IS NOT NULL
    UNION ALL SELECT r.message, greatest(r.reply_at, a.completed), 'message' FROM replies r JOIN answers a USING (message)
    UNION ALL SELECT a.message, e.edited_at, 'edit' FROM edits e JOIN answers a USING (prompt)),
firsts AS (
    SELECT a.message, a.conversation, a.completed,
           min((d.moment, list_position(['message', 'regenerate', 'edit', 'close', 'copy', 'select', 'share'], d.kind), d.kind)) AS f
    FROM done d JOIN answers a USING (message) WHERE d.moment >= a.completed GROUP BY ALL),
returns AS (SELECT conversation, moment, away_ms FROM every WHERE kind = 'return' AND away_ms > 0),
away AS (
    SELECT f.message, sum(r.away_ms) - greatest(arg_min(r.away_ms, r.moment) -
           (epoch_us(min(r.moment)) - epoch_us(any_value(f.completed))) // 1000, 0) AS away_ms
    FROM firsts f JOIN returns r ON r.conversation = f.conversation AND r.moment > f.completed AND r.moment <= f.f[1]
    GROUP BY 1)
SELECT f.message, f.f[3] AS next_act,
       greatest((epoch_us(f.f[1]) - epoch_us(f.completed)) // 1000 - coalesce(a.away_ms, 0), 0)::BIGINT AS next_after_ms
FROM firsts f LEFT JOIN away a USING (message);

CREATE TEMP TABLE lost AS
WITH numbered AS (
    SELECT e.conversation, e.page, e.n, e.moment, e.event, a.message FROM every e LEFT JOIN answers a USING (message)
    WHERE e.page IS NOT NULL AND e.n IS NOT NULL),
gaps AS (
    SELECT message, n - lag(n) OVER pages - 1 AS gap,
           last_value(message IGNORE NULLS) OVER (pages ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
           first_value(message IGNORE NULLS) OVER (pages ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS after
    FROM numbered WINDOW pages AS (PARTITION BY conversation, page ORDER BY n, moment, event))
SELECT message, sum(gap)::BIGINT AS lost FROM (
    SELECT message, 0 AS gap FROM numbered WHERE message IS NOT NULL
    UNION ALL SELECT before, gap FROM gaps WHERE gap > 0
    UNION ALL SELECT after, gap FROM gaps WHERE gap > 0 AND after IS DISTINCT FROM before)
WHERE message IS NOT NULL GROUP BY 1;

CREATE TEMP TABLE episodes AS
SELECT a.message, a.conversation, coalesce(a."user", s.acted) AS "user", a.author, a.prompt, a.root, a.prompt_key,
    a.root_role, a.root_key, a.turn, a.moment AS "at", a.latency_s, a.chars, a.finish, a.topic,
    coalesce(s.device, a.wrote_device) AS device,
    coalesce(a.arm ->> '$.policy', s.arm ->> '$.policy') AS policy,
    coalesce(a.arm ->> '$.anchor', s.arm ->> '$.anchor') AS anchor, l.lost,
    coalesce(s.exposed, false) OR a.next_at IS NOT NULL AS exposed, a.duration_ms, s.visible_ms, s.active_ms, s.idle_ms,
    s.hidden_ms, s.seen_chars, s.total_chars, coalesce(s.stopped, false) AS stopped, s.closed, s.close_cause,
    coalesce(s.cut_off AND NOT s.stopped AND NOT s.told, false) AS disconnected,
    coalesce(s.regenerated, false) AS regenerated, s.regenerate_phase,
    coalesce(s.regenerated AND s.visible_ms < greatest(1500.0, 150 * a.chars / (238 / 60 * 5.7)), false) AS regenerated_unread,
    coalesce(CASE WHEN s.copied IS NOT NULL THEN least(s.copied, a.chars) END, 0) / greatest(a.chars, 1) AS copied_share,
    CASE WHEN s.copied_code IS NOT NULL THEN least(s.copied_code, a.chars) END AS copied_code_chars,
    CASE WHEN s.copied_prose IS NOT NULL THEN least(s.copied_prose, a.chars) END AS copied_prose_chars,
    coalesce(s.shared, false) AS shared, coalesce(s.selected, false) AS selected, e.prompt IS NOT NULL AS edited,
    s.longest_pause_ms, x.next_act, x.next_after_ms, r.reply,
    CASE WHEN r.reply IS NOT NULL THEN greatest(epoch_us(r.reply_at) - epoch_us(a.completed), 0) // 1000 END AS reply_after_ms,
    a.siblings, a.sibling_rank, a.sibling_rank = a.siblings - 1 AS last_generated,
    CASE WHEN a.siblings > 1 AND a.latest IS NOT NULL THEN coalesce(a.next_at = a.latest, false) END AS kept,
    coalesce(kept AND NOT last_generated, false) AS back_navigated, a.next_at IS NOT NULL AS continued, a.later_turns,
    a.later_turns = 0 AS answered_last, nullif(s.vote, 0) AS vote, coalesce(d.rating, w.rating) AS rating,
    CASE WHEN d.what IS NOT NULL THEN 'answer' WHEN w.what IS NOT NULL THEN 'conversation' END AS rating_by,
    CASE WHEN d.what IS NOT NULL THEN d.rating_lowest ELSE w.rating_lowest END AS rating_lowest,
    CASE WHEN d.what IS NOT NULL THEN d.rating_highest ELSE w.rating_highest END AS rating_highest,
    s.solicit_level, s.solicit_shown, s.solicit_answered, s.solicit_propensity,
    list_concat(coalesce(s.evidence, []), coalesce(r.continued_by, []), coalesce(e.edited_by, [])) AS evidence,
    list_concat(coalesce(s.voted, []), coalesce(d.rated, []), coalesce(w.rated, [])) AS stated_evidence
FROM answers a LEFT JOIN acts s USING (message) LEFT JOIN nexts x USING (message) LEFT JOIN lost l USING (message)
LEFT JOIN replies r USING (message) LEFT JOIN edits e USING (prompt)
LEFT JOIN rated d ON d.direct AND d.what = a.message LEFT JOIN rated w ON NOT w.direct AND w.what = a.conversation;
COPY episodes TO '{out}/episodes.parquet' (FORMAT parquet, COMPRESSION lz4);

COPY (
    WITH viewed AS (
        SELECT *, count(*) OVER chains AS k, count(*) FILTER (kept) OVER chains AS keeps FROM episodes
        WHERE siblings > 1 AND kept IS NOT NULL AND exposed WINDOW chains AS (PARTITION BY prompt))
    SELECT c.prompt, c.message AS chosen, r.message AS rejected, 1 / (c.k - 1) AS weight
    FROM viewed c JOIN viewed r USING (prompt) WHERE c.kept AND NOT r.kept AND c.k >= 2 AND c.keeps = 1
) TO '{out}/siblings.parquet' (FORMAT parquet, COMPRESSION lz4);
COPY (
    SELECT prompt, u.message AS chosen, d.message AS rejected, 1 / count(*) OVER (PARTITION BY prompt) AS weight
    FROM episodes u JOIN episodes d USING (prompt) WHERE u.vote > 0 AND d.vote < 0 AND u.siblings > 1
) TO '{out}/votes.parquet' (FORMAT parquet, COMPRESSION lz4);
