import { z } from 'zod';

/** A bigint key in an address: one digit less than PostgreSQL takes, so none becomes a database error. */
export const rowId = z.string().regex(/^[0-9]{1,18}$/);
