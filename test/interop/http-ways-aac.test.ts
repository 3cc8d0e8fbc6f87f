import { testHttpWays } from './http-ways.ts';

testHttpWays('aac');
