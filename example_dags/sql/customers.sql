-- One row per user. `user_id`, the contacts and the consents have the names of Blux's fields; every other column
-- becomes a custom property. The database stores a consent as 1, 0 or NULL (never asked): the query returns 'true',
-- 'false' or NULL.
SELECT customers.customer_no                                                    AS user_id,
       customers.phone                                                          AS phone_number,
       customers.email                                                          AS email_address,
       CASE customers.marketing_ok WHEN 1 THEN 'true' WHEN 0 THEN 'false' END   AS marketing_notification_consent,
       CASE customers.night_ok WHEN 1 THEN 'true' WHEN 0 THEN 'false' END       AS nighttime_notification_consent,
       customers.name                                                           AS name,
       COUNT(orders.amount)                                                     AS orders_count,
       SUM(orders.amount)                                                       AS orders_amount,
       MAX(orders.ordered_on)                                                   AS last_ordered_on
FROM customers
LEFT JOIN orders ON orders.customer_no = customers.customer_no
WHERE customers.updated_at >= :changed_since
GROUP BY customers.customer_no
ORDER BY customers.customer_no
