// What metadata of fields are deflated against: mscn_tf/runtime/field_words.py, line for line.

const LINES = String.raw`
"tracking_id":"","creation_date":"","project_id":"CMIP6","experiment_id":"historical","model_id":"",
"variant_label":"r1i1p1f1","frequency":"mon","realm":"atmos","grid_label":"gn","table_id":"Amon",
"modeling_realm":"atmos","parent_experiment_id":"","initialization_method":"physics_version":"
"nominal_resolution":"100 km","license":"https://creativecommons.org/licenses/by/4.0/","contact":"
"references":"http://www.","comment":"","source":"Data from ","title":"","institution":"
European Centre for Medium-Range Weather Forecasts","GRIB_centre":"ecmf","GRIB_subCentre":
"GRIB_edition":"GRIB_centreDescription":"National Center for Atmospheric Research NCEP NOAA NASA
Met Office Hadley Centre","Climate Data Interface version 2.0.5 (https://mpimet.mpg.de/cdi)",
"CDO":"Climate Data Operators version 2.0.5 (https://mpimet.mpg.de/cdo)","NCO":"netCDF Operators
"history":" GRIB to CDM+CF via cfgrib-0.9.9.1/ecCodes-2.24.2 with ncks -O -d cdo -f nc copy .nc
Mon Jan 01 00:00:00 2020: \n","Conventions":"COARDS","Conventions":"CF-1.0 CF-1.4 CF-1.6 CF-1.8",
"_NCProperties":"version=2,netcdf=4.9.2,hdf5=1.14.0","Conventions":"CF-1.7",
"GRIB_paramId":{"shape":[],"dtype":"<i8","values":[167]},"GRIB_dataType":"an",
"GRIB_numberOfPoints":{"shape":[],"dtype":"<i8","values":[1038240]},"GRIB_typeOfLevel":"surface",
"GRIB_typeOfLevel":"isobaricInhPa","GRIB_stepUnits":{"shape":[],"dtype":"<i8","values":[1]},
"GRIB_stepType":"instant","GRIB_gridType":"regular_ll","GRIB_uvRelativeToGrid":{"shape":[],
"dtype":"<i8","values":[0]},"GRIB_NV":{"shape":[],"dtype":"<i8","values":[0]},"GRIB_Nx":
"GRIB_Ny":"GRIB_cfName":"unknown","GRIB_cfVarName":"t2m","GRIB_gridDefinitionDescription":"
Latitude/Longitude Grid","GRIB_iDirectionIncrementInDegrees":{"shape":[],"dtype":"<f8","values":
"GRIB_iScansNegatively":"GRIB_jDirectionIncrementInDegrees":"GRIB_jPointsAreConsecutive":
"GRIB_jScansPositively":"GRIB_latitudeOfFirstGridPointInDegrees":
"GRIB_latitudeOfLastGridPointInDegrees":"GRIB_longitudeOfFirstGridPointInDegrees":
"GRIB_longitudeOfLastGridPointInDegrees":"GRIB_missingValue":{"shape":[],"dtype":"<f8","values":
[3.4028234663852886e+38]},"GRIB_name":"2 metre temperature","GRIB_shortName":"2t",
"GRIB_totalNumber":{"shape":[],"dtype":"<i8","values":[0]},"GRIB_units":"K","stored_direction":"
decreasing","name":"number","long_name":"ensemble member numerical id","standard_name":"
realization","name":"step","long_name":"time since forecast_reference_time","standard_name":"
forecast_period","name":"valid_time","name":"expver","name":"isobaricInhPa","name":"pressure_level",
"storage":{"complevel":1,"shuffle":true,"fletcher32":false,"compression":"zlib","chunksizes":[
{"grids":[{"dims":["lat","lon"],"masks":["masks":","mask":[0,0,0,"mask":{"~":[0,0,1"exact":"A
"model":"NETCDF4_CLASSIC","model":"NETCDF3_64BIT_OFFSET","model":"NETCDF3_CLASSIC","attrs":{
"missing":-32767,"missing_value":{"shape":[],"dtype":"<i2","values":[-32767]}"scale_factor":
{"shape":[],"dtype":"<f8","values":[0.01]},"add_offset":{"shape":[],"dtype":"<f8","values":[
"factor":0.01,"add":"within":[0.0,100.0],"valid_range":{"shape":[2],"dtype":"<f4","values":[0.0,
"valid_min":"valid_max":"actual_range":{"shape":[2],"dtype":"<f4","values":["turned":true
"flag_values":"flag_meanings":"ancillary_variables":"cell_measures":"area: areacella",
"original_name":"original_units":"comment":"description":"var_desc":"dataset":"level_desc":"
Surface","statistic":"Mean","parent_stat":"least_significant_digit":"precision":"code":"table":
"grid_type":"gaussian","param":"1.2.0","_CoordinateAxisType":"Lat","Lon","source_file":"
longitude_latitude","nav_lat nav_lon","TLAT TLONG","grid_mapping":"crs","grid_mapping":"
lambert_azimuthal_equal_area","polar_stereographic","semi_major_axis":"inverse_flattening":
"longitude_of_prime_meridian":"earth_radius":{"shape":[],"dtype":"<f8","values":[6371229.0]},
"grid_mapping_name":"latitude_longitude","grid_mapping":"latitude_longitude","grid_mapping_name":"
rotated_latitude_longitude","grid_north_pole_latitude":{"shape":[],"dtype":"<f8","values":[39.25]},
"grid_north_pole_longitude":{"shape":[],"dtype":"<f8","values":[-162.0]},"dtype":"S1"
net_downward_shortwave_longwave_radiation_flux_in_air toa_outgoing_longwave_flux cloud_area_fraction
surface_upward_latent_sensible_heat_flux mass_fraction_of_cloud_liquid_water_in_air sea_ice_area
convective_precipitation_amount snowfall_flux snow_depth volume_fraction_of_water_in_soil
leaf_area_index surface_runoff_flux eastward_sea_water_velocity sea_surface_height_above_geoid
sea_water_salinity sea_water_potential_temperature ocean_mixed_layer_thickness upward_air_velocity
"standard_name":"lagrangian_tendency_of_air_pressure","units":"Pa s**-1","long_name":"
Vertical velocity","standard_name":"divergence_of_wind","atmosphere_relative_vorticity","units":"
s**-1","standard_name":"tendency_of_air_temperature","dew_point_temperature","long_name":"
2 metre dewpoint temperature","long_name":"Total precipitation","units":"mm","units":"mm/day",
"units":"kg m-2","long_name":"Total column water vapour","units":"kg m**-2","units":"W m**-2",
"units":"W/m^2","units":"W m-2","units":"J m**-2","units":"psu","units":"m3 m-3","units":"(0 - 1)",
"long_name":"Sea Surface Temperature","standard_name":"sea_surface_temperature","units":"degC",
"units":"deg_C","units":"Celsius","long_name":"Land-sea mask","standard_name":"land_binary_mask",
"long_name":"Orography","standard_name":"surface_altitude","long_name":"Geopotential Height",
"standard_name":"geopotential_height","units":"gpm","standard_name":"geopotential","units":"
m**2 s**-2","long_name":"Relative humidity","standard_name":"relative_humidity","units":"%",
"long_name":"Specific humidity","standard_name":"specific_humidity","units":"kg kg**-1","units":"
kg kg-1","units":"kg/kg","long_name":"Precipitation","standard_name":"precipitation_flux","units":"
kg m-2 s-1","long_name":"Mean sea level pressure","standard_name":"air_pressure_at_mean_sea_level",
"long_name":"Surface pressure","standard_name":"surface_air_pressure","units":"Pa","long_name":"
10 metre V wind component","standard_name":"northward_wind","units":"m s**-1","long_name":"
10 metre U wind component","standard_name":"eastward_wind","units":"m s-1","units":"m/s",
"long_name":"Zonal Wind","long_name":"Meridional Wind","standard_name":"wind_speed",
"long_name":"Near-Surface Air Temperature","long_name":"Skin temperature","long_name":"Temperature",
"name":"tas","name":"air","name":"pr","name":"psl","name":"uas","name":"vas","name":"sst","name":"
zg","name":"hus","name":"tos","name":"msl","name":"u10","name":"tp","name":"u","name":"v","name":"t
"name":"spatial_ref","bounds":"lat_bnds","bounds":"lon_bnds","bounds":"time_bnds","dims":["
time","bnds"],"cell_methods":"time: mean (interval: 6 hour)","cell_methods":"area: time: mean",
"name":"lev","dtype":"<f8","dims":[],"attrs":{"_FillValue":{"shape":[],"dtype":"<f8","values":["nan"
]},"long_name":"pressure levels","units":"hPa","units":"millibar","units":"level","axis":"Z",
"positive":"down","standard_name":"air_pressure","long_name":"pressure","units":"Pa","values":[
500.0]}},{"name":"plev","name":"level","dtype":"<i4","dims":[],"attrs":{"long_name":"pressure_level",
"units":"millibars"},"data":{"shape":[],"dtype":"<i4","values":[1000,925,850,700,600,500,400,300]}}
{"grids":[{"dims":["y","x"]}],"fields":[{"name":"{"grids":[{"dims":["rlat","rlon"]}],"fields":[
"name":"rlat","dtype":"<f8","dims":["rlat"],"attrs":{"_FillValue":{"shape":[],"dtype":"<f8",
"values":["nan"]},"standard_name":"grid_latitude","long_name":"latitude in rotated pole grid",
"units":"degrees","axis":"Y"},"data":{"shape":[412],"dtype":"<f8","values":{"~":[-23375,110,412,1000
]}}},{"name":"rlon","standard_name":"grid_longitude","long_name":"longitude in rotated pole grid",
"grid_mapping":"rotated_pole","coordinates":"lat lon","coordinates":"forecast_reference_time height"
{"latitude":{"~":[-90.0,1,181]},"longitude":{"~":[0.0,1,360]},"axes":["lat","lon"],"fields":[{
"name":"T","missing":-999.0}],"netcdf":{"model":"NETCDF4","attrs":{},"dims":[["time",12,true],["lat"
46,false],["lon",90,false]],"variables":[{"name":"T","dtype":"<f4","dims":["lat","lon"],"attrs":{
"_FillValue":{"shape":[],"dtype":"<f4","values":[9.999999616903162e+35]},"_FillValue":{"shape":[],
"dtype":"<f4","values":[9.969209968386869e+36]},"_FillValue":{"shape":[],"dtype":"<f4","values":[
1.0000000200408773e+20]},"_FillValue":{"shape":[],"dtype":"<i4","values":[-999]}"short_name":"
"_FillValue":{"shape":[],"dtype":"<f4","values":[-999.0]},"missing_value":{"shape":[],"dtype":"<f4",
"values":[-999.0]},"coordinates":"lev time"}},{"name":"time","dtype":"<i4","dims":[],"attrs":{
"units":"months since 1979-01-01","long_name":"Time"},"data":{"shape":[],"dtype":"<i4","values":[0]
}},{"name":"lon","dtype":"<f4","dims":["lon"],"attrs":{"_FillValue":{"shape":[],"dtype":"<f4",
"values":["nan"]},"standard_name":"longitude","long_name":"longitude","units":"degrees_east","axis"
:"X"}},{"name":"lat","dtype":"<f4","dims":["lat"],"attrs":{"_FillValue":{"shape":[],"dtype":"<f4",
"values":["nan"]},"standard_name":"latitude","long_name":"latitude","units":"degrees_north","axis"
:"Y"}},{"name":"lon","dtype":"<f8","dims":["lon"],"attrs":{"_FillValue":{"shape":[],"dtype":"<f8",
"values":["nan"]},"long_name":"Longitude","units":"degrees east","standard_name":"longitude","axis"
:"X"}},{"name":"lat","dtype":"<f8","dims":["lat"],"attrs":{"_FillValue":{"shape":[],"dtype":"<f8",
"values":["nan"]},"long_name":"Latitude","units":"degrees north","standard_name":"latitude","axis"
:"Y"}},{"name":"height","dtype":"<f8","dims":[],"attrs":{"_FillValue":{"shape":[],"dtype":"<f8",
"values":["nan"]},"units":"m","axis":"Z","positive":"up","long_name":"height","standard_name":"
height"},"data":{"shape":[],"dtype":"<f8","values":[2.0]}},{"name":"time","dtype":"<f8","dims":[],
"attrs":{"_FillValue":{"shape":[],"dtype":"<f8","values":["nan"]},"axis":"T","bounds":"time_bnds",
"standard_name":"time","long_name":"time","units":"hours since 1800-01-01 00:00:00","calendar":"
standard","gregorian","360_day","365_day","noleap"},"data":{"shape":[],"dtype":"<f8","values":[0.0]}
{"latitude":{"~":[90.0,-4,46]},"longitude":{"~":[0.0,4,90]},"axes":["latitude","longitude"],"fields"
:[{"name":"t2m","units":"K","scale":10.1,"offset":180.0,"offset":273.15,"missing":-999.0,"rounding"
:1.6e-05,"rounding":2e-06}],"netcdf":{"model":"NETCDF4","attrs":{},"dims":[["latitude",46,false],["
longitude",90,false]],"variables":[{"name":"t2m","dtype":"<f4","dims":["latitude","longitude"],
"attrs":{"_FillValue":{"shape":[],"dtype":"<f4","values":["nan"]},"long_name":"2 metre temperature",
"units":"K","standard_name":"air_temperature","cell_methods":"time: mean","coordinates":"height
 time"}},{"name":"time","dtype":"<i8","dims":[],"attrs":{"long_name":"time","standard_name":"time",
"units":"hours since 1900-01-01","units":"hours since 1970-01-01","units":"days since 1850-01-01","
units":"days since 2001-01-01 00:00:00","calendar":"proleptic_gregorian"},"data":{"shape":[],"dtype"
:"<i8","values":[0]}},{"name":"latitude","dtype":"<f8","dims":["latitude"],"attrs":{"_FillValue":{
"shape":[],"dtype":"<f8","values":["nan"]},"units":"degrees_north","standard_name":"latitude",
"long_name":"latitude"}},{"name":"longitude","dtype":"<f8","dims":["longitude"],"attrs":{
"_FillValue":{"shape":[],"dtype":"<f8","values":["nan"]},"units":"degrees_east","standard_name":"
longitude","long_name":"longitude"}},{"name":"latitude","dtype":"<f4","dims":["latitude"],"attrs":{
"_FillValue":{"shape":[],"dtype":"<f4","values":["nan"]},"units":"degrees_north","standard_name":"
latitude","long_name":"latitude"}},{"name":"longitude","dtype":"<f4","dims":["longitude"],"attrs":{
"_FillValue":{"shape":[],"dtype":"<f4","values":["nan"]},"units":"degrees_east","standard_name":"
longitude","long_name":"longitude"}}]}}
`;

export const WORDS = new TextEncoder().encode(LINES.replaceAll("\n", ""));
