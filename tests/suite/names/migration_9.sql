-- Accounts and rooms as the program of migration 9 stored them, for SQLite and PostgreSQL: keys are NFKC in lower case. The
-- password of all is `a long password`.
INSERT INTO users (uid, username, username_key, email, email_key, password_hash, created_at, updated_at, handle, handle_key) VALUES
    ('0190b3c0-0000-7000-8000-000000000001', 'οδος', 'οδος', 'odos@example.org', 'odos@example.org', '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1, NULL, NULL),
    ('0190b3c0-0000-7000-8000-000000000002', 'ΟΔΟΣ', 'οδοσ', NULL, NULL, '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1, NULL, NULL),
    ('0190b3c0-0000-7000-8000-000000000003', 'Γιώργος', 'γιώργος', NULL, NULL, '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1, NULL, NULL),
    ('0190b3c0-0000-7000-8000-000000000004', 'ann  lee', 'ann  lee', NULL, NULL, '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1, 'ANN  LEE', 'ann  lee'),
    ('0190b3c0-0000-7000-8000-000000000005', 'Straße', 'straße', NULL, NULL, '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1, NULL, NULL),
    ('0190b3c0-0000-7000-8000-000000000006', 'bob', 'bob', NULL, NULL, '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1, 'STRASSE', 'strasse'),
    ('0190b3c0-0000-7000-8000-000000000007', 'paypal', 'paypal', NULL, NULL, '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1, NULL, NULL);
INSERT INTO users (uid, username, username_key, password_hash, issuer, external_id, created_at, updated_at) VALUES
    ('0190b3c0-0000-7000-8000-000000000008', 'ann@elsewhere', '0190b3c0-0000-7000-8000-000000000008', '', 'elsewhere', 'ann', 1, 1);
INSERT INTO rooms (uid, code, name, name_key, kind, visibility, created_at) VALUES
    ('0190b3c0-0000-7000-8000-000000000011', 'AAAA1', 'Straße', 'straße', 'room', 'public', 1),
    ('0190b3c0-0000-7000-8000-000000000012', 'AAAA2', 'STRASSE', 'strasse', 'room', 'public', 1),
    ('0190b3c0-0000-7000-8000-000000000013', 'AAAA3', 'Τέλος', 'τέλος', 'room', 'public', 1);
