/** For what `loadCached` runs, which has no `import()` of its own. */
export const importModule = (url: string): Promise<Record<string, unknown>> => import(url);
