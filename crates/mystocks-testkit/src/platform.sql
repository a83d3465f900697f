-- The platform's tables, column by column as the wire contract has them.
CREATE TABLE daily_kline (
    symbol varchar(20),
    trade_date date,
    open numeric(10, 4),
    high numeric(10, 4),
    low numeric(10, 4),
    close numeric(10, 4),
    volume bigint,
    amount numeric(15, 2),
    adj_factor numeric(10, 6),
    pre_close numeric(10, 4),
    change numeric(10, 4),
    pct_chg numeric(8, 4),
    turnover_rate numeric(8, 4),
    created_at timestamp,
    updated_at timestamp,
    UNIQUE (symbol, trade_date)
);
CREATE TABLE symbols_info (
    symbol varchar(20) PRIMARY KEY,
    name varchar(100),
    industry varchar(100),
    area varchar(100),
    market varchar(50),
    list_date date
);
CREATE TABLE indicator_data (
    timestamp timestamptz,
    stock_code varchar(20),
    indicator_code varchar(50),
    value double precision,
    complex_value json,
    created_at timestamptz,
    PRIMARY KEY (timestamp, stock_code, indicator_code)
);
CREATE TABLE indicator_tasks (
    id serial PRIMARY KEY,
    task_id varchar(50) UNIQUE,
    task_type varchar(50),
    status varchar(20),
    progress double precision,
    params json,
    result_summary json,
    error_message text,
    created_at timestamptz,
    updated_at timestamptz,
    completed_at timestamptz
);
