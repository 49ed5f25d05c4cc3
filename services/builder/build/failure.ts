/** How a job ends when it does not succeed: an AppError whose code carries the exit class. */
import { AppError, type AppErrorOptions } from '../../../shared/errors/app-error.ts';
import { exitClass, type ExitClass } from '../../../shared/protocol/job.ts';

const PREFIX = 'job-';

export interface FailureOptions extends AppErrorOptions {
  /** For `dep-wait`: what cannot be had. */
  missing?: string[];
}

/** `message` is one sentence for people: it becomes the result's. */
export function jobFailure(
  failureClass: Exclude<ExitClass, 'success'>,
  message: string,
  options: FailureOptions = {},
): AppError {
  const { missing, ...rest } = options;
  return new AppError(`${PREFIX}${failureClass}`, message, {
    ...rest,
    detail: { ...rest.detail, missing: missing ?? [] },
  });
}

/** Class and missing dependencies of whatever was thrown; what nobody classified is the machine's fault. */
export function classOf(error: unknown): { exitClass: ExitClass; missing: string[] } {
  if (!(error instanceof AppError) || !error.code.startsWith(PREFIX)) {
    return { exitClass: 'machine', missing: [] };
  }
  const parsed = exitClass.safeParse(error.code.slice(PREFIX.length));
  const missing = Array.isArray(error.detail['missing']) ? (error.detail['missing'] as string[]) : [];
  return { exitClass: parsed.success ? parsed.data : 'machine', missing };
}
