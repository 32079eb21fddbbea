import { type Context } from "./context.ts";
import { type Float80 } from "./float80.ts";
export function exponentialMinus1(_c: Context, _o: Float80, _a: Float80): void {}
export function logarithm(_c: Context, _o: Float80, _y: Float80, _x: Float80): void {}
export function logarithmPlus1(_c: Context, _o: Float80, _y: Float80, _x: Float80): void {}
export function arctangent(_c: Context, _o: Float80, _y: Float80, _x: Float80): void {}
export function sine(_c: Context, _o: Float80, _a: Float80): boolean { return true; }
export function cosine(_c: Context, _o: Float80, _a: Float80): boolean { return true; }
export function tangent(_c: Context, _o: Float80, _p: Float80, _a: Float80): boolean { return true; }
export function sineCosine(_c: Context, _o: Float80, _p: Float80, _a: Float80): boolean { return true; }
