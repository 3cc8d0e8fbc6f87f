import { testHttpWays } from './http-ways.ts';

testHttpWays('av1-opus');
